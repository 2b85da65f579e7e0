//! Plays providers, clients and faults for tests, examples and rehearsals.
