//! What RabbitMQ may do to the bus, each a trap that was met on a real broker.

mod copies;
mod faults;
mod inbox;
mod publishing;
mod rights;
mod start;
mod tls;
