"""DynamoDB: tables are infrastructure (tables.toml, CDK), data is migrated by versioned transformations."""
