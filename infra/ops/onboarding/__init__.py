"""How a tenant comes in: the checks of `tenant verify`, what is handed to its administrator, and why a webhook was refused."""
