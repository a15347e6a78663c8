"""The wire: values, signatures, HTTP, and one thin client of DynamoDB's JSON protocol over them."""
