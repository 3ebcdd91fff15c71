"""IAM Roles Anywhere's CreateSession as a test server: as strict as AWS, and faulty on demand."""
