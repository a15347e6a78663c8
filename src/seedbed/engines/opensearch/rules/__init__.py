"""What OpenSearch or seedbed refuses, and what may hurt, as far as files tell. Pure."""
