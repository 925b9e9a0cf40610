//! The contracts of the ports, one sentence of a trait a test, run on every backend (promise 14).
//!
//! A test is a function over a [`Backend`]; [`on_every_backend`] makes it one test a backend.

pub(crate) mod backend;
pub(crate) mod bus;

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
    };
}

mod store_accept;
mod store_access;
mod store_crash;
mod store_effects;
mod store_hops;
mod store_lanes;
mod store_operate;
mod store_query;
mod store_settle;
mod store_sqlite;
mod store_trail;
