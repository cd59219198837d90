"""The small CREStereo that this project trains and ships: a cascade that sees the whole row."""
