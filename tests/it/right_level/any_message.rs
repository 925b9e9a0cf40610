//! The promise over random messages of the sample world, against an oracle of its own.
