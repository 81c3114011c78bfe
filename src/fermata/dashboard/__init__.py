"""What people see of a run: views, charts, reports; everything from State, nothing stored."""
