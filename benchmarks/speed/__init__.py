"""What the machine allows, and how much of it the service reaches."""
