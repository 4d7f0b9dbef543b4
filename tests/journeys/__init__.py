"""A package, unlike other folders of tests: so that its Accords end with its last test, and not with the whole run."""
