"""Reading files, finding classes, logging."""
