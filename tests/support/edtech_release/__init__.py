"""A release of edtech that changes all four engines, as two environments in accounts of their own take it."""
