"""One reader for each kind of file or service that a lab's figures come from."""
