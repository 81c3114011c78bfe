"""What each page of the dashboard shows, as plain records of the state."""
