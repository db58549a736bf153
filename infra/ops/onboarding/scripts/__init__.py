"""The signing scripts that a tenant's administrator installs: they run at the desk and import nothing of ours."""
