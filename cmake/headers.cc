// Nothing: targets that carry precompiled headers need a source.
