"""What analysts work with: finished enhancements with their feedback, as lines and as files, and a page of every event's schema."""
