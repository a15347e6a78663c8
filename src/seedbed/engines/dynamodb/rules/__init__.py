"""What DynamoDB and CloudFormation refuse, as far as a file can tell. Pure."""
