"""The only code that speaks Redis: typed functions over one Lua script each."""
