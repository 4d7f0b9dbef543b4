"""What other repositories are asked, in the dialect of each kind, and what they answer."""
