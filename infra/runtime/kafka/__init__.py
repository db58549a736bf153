"""kafka: the producer, the publisher of signed events, topics, client settings."""
