"""What the services do with their databases, as far as tests show it; each reads its own variables, and no others."""
