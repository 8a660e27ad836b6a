"""Dialogue for training: prompts of our own, answered by the base model, and questions about code answered by packages."""
