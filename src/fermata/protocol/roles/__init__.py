"""What each party still owes the log (coordinator, auditor, lab), and the driver that pays it."""
