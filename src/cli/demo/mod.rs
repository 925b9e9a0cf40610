//! The demo: the main job on one machine, with departmental systems as parties of their own.
pub mod books;
pub mod day;
pub mod party;
pub mod promises;
pub mod screen;
pub mod story;
pub mod table;
