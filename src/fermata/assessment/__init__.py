"""What a charter would do, told before anybody signs it: false alarms, time and size of reports."""
