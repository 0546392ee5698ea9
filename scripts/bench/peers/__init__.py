"""All contenders; their modules are imported in their own environments alone."""
