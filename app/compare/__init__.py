"""What the Compare views and commands do, without the page: measure, vote, look inside."""
