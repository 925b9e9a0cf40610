//! `liandong evidence refused`: whether the hub refused exactly these bytes, where a sender says that it refused others.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use serde_json::json;

use super::{Call, Error};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    engine::refusals::{self, Found},
    port::clock::SystemClock,
};

/// Which bytes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The bytes as the sender sent them
    file: PathBuf,
}

pub(super) async fn run(mut call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let named = |source| Error::Unreadable { path: arguments.file.display().to_string(), source };
    let bytes = std::fs::read(&arguments.file).map_err(named)?;
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let store = shelf.store();
    let found = refusals::of(store.as_ref(), &bytes).await;
    drop(store);
    shelf.close().await.map_err(app::Error::from)?;
    let (found, looked) = found.map_err(app::Error::from)?;
    if found.is_empty() {
        return Err(Error::said(
            format!("可查验的 {looked} 次拒收中，没有一次拒收的是这些字节；已清除或已归档的无从查验"),
            format!(
                "none of the {looked} refusals that can be looked at is of these bytes; those erased or archived cannot be"
            ),
        ));
    }
    if call.output.is_json() {
        return Ok(call.output.json(&json!({ "refused": found, "looked_at": looked }))?);
    }
    for one in &found {
        let Found { id, at, position, data, .. } = one;
        let (endpoint, code) =
            (data["endpoint"].as_str().unwrap_or("—"), data["code"].as_str().unwrap_or("—"));
        let position = position.map_or_else(|| "—".to_owned(), |position| position.to_string());
        call.output.say(
            &format!("{at} 拒收了 {endpoint} 发来的这些字节：{code}；留痕 {id}，存证序号 {position}"),
            &format!(
                "at {at} these bytes from {endpoint} were refused: {code}; entry {id}, position {position}"
            ),
        )?;
    }
    Ok(())
}
