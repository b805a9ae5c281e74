"""What leaves the machine: input downloads and webhooks, both under one address policy."""
