"""What a call is: binding, identity, records and metadata."""
