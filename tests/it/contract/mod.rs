//! The contracts of the ports, one sentence of a trait a test, run on every backend (promise 14).
//!
//! A test is a function over a [`Backend`] or a [`BusBackend`]; [`on_every_backend`] and [`on_every_bus`]
//! make it one test a backend. `one_behaviour` holds that no backend is left out.
//!
//! [`Backend`]: backend::Backend
//! [`BusBackend`]: bus_backend::BusBackend

pub(crate) mod backend;
pub(crate) mod bus_backend;
pub(crate) mod bus_grpc_backend;

/// Runs the functions named on every store.
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::contract::backend::Sqlite::new()).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::contract::backend::Postgres::new()).await;
                }
            )+
        }
    };
}

/// Runs the functions named on every bus.
macro_rules! on_every_bus {
    ($($name:ident),+ $(,)?) => {
        mod local {
            $(
                #[tokio::test]
                async fn $name() {
                    let backend = crate::contract::bus_backend::Local::new();
                    crate::contract::bus_backend::in_time(super::$name(&backend)).await;
                }
            )+
        }

        mod grpc {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let backend = crate::contract::bus_grpc_backend::Grpc::new();
                    crate::contract::bus_backend::in_time(super::$name(&backend)).await;
                }
            )+
        }

        mod rabbitmq {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let backend = crate::contract::bus_backend::Rabbitmq::new().await;
                    crate::contract::bus_backend::in_time(super::$name(&backend)).await;
                }
            )+
        }
    };
}

mod bus_bounds;
mod bus_close;
mod bus_outcomes;
mod bus_work;
mod store_accept;
mod store_access;
mod store_crash;
mod store_effects;
mod store_hops;
mod store_keys;
mod store_lanes;
mod store_operate;
mod store_postgres;
mod store_postgres_faults;
mod store_postgres_hubs;
mod store_query;
mod store_replay;
mod store_retention;
mod store_settle;
mod store_sqlite;
mod store_stamps;
mod store_trail;
