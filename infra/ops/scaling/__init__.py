"""A day of a stage and of the autoscaler that sizes it, simulated: the same tickets under our demand and under the lag that KEDA's
Kafka scaler reads.

One stage with calls of 10-45 s. Tenants have a partition and a cap each, workers have slots, joining and leaving stops everybody
for a moment, new workers take a while. Between both scalers nothing differs but the number that the autoscaler is told.
"""
