//! `liandong seal prove` and `seal verify-proof`: a proof is made from the stored trail in one pass, and checked with
//! nothing but its file and the public keys.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::{PAGE, begin, read, trusted};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    cli::{Call, Error, language::Language, progress::Progress},
    evidence::{
        consistency::{self, Proof, Prover},
        tree::leaf_hash,
    },
    port::{clock::SystemClock, store::Store},
};

pub(super) async fn run(
    mut call: Call<'_>,
    old: &Path,
    new: Option<&Path>,
    to: Option<&Path>,
) -> Result<(), Error> {
    let old = read(old)?;
    let new = new.map(read).transpose()?;
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let made = made(shelf.store().as_ref(), &old, new, call.output.language).await;
    shelf.close().await?;
    let text = serde_json::to_string(&made?).map_err(|error| Error::Other(error.into()))?;
    let Some(path) = to else { return Ok(call.output.line(text)?) };
    std::fs::write(path, format!("{text}\n"))?;
    let path = path.display();
    if call.output.is_json() {
        return Ok(call.output.json(&json!({ "proof": path.to_string() }))?);
    }
    Ok(call.output.say(
        &format!("证明已写入 {path}；核验：liandong seal verify-proof {path} --key 公钥文件"),
        &format!("proof written to {path}; check it with: liandong seal verify-proof {path} --key KEYS"),
    )?)
}

async fn made(store: &dyn Store, old: &str, new: Option<String>, language: Language) -> Result<Proof, Error> {
    let archived = store.archived().await.map_err(app::Error::from)?;
    let latest = || Error::said("还没有检查点：尚未封存", "there is no checkpoint yet: nothing is sealed");
    let new = match new {
        Some(new) => new,
        None => store.sealer_state().await?.checkpoint.ok_or_else(latest)?,
    };
    let mut prover = Prover::new(old, &new, begin(archived.as_ref())?).map_err(|error| no_proof(&error))?;
    let mut progress = Progress::of_work(language, "读取留痕", "entries read", prover.size());
    while !prover.is_done() {
        let limit = PAGE.min(usize::try_from(prover.size() - prover.wanted()).unwrap_or(PAGE));
        let entries = store.sealed(prover.wanted(), limit).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            if entry.position != prover.wanted() {
                return Err(Error::said(
                    format!("留痕缺少第 {} 条，无法证明", prover.wanted()),
                    format!("the entry at {} is missing: there is no proof", prover.wanted()),
                ));
            }
            prover.leaf(leaf_hash(&entry.body)).map_err(|error| no_proof(&error))?;
        }
        progress.done(prover.wanted());
    }
    progress.end();
    prover.finish().map_err(|error| no_proof(&error))
}

pub(super) fn check(mut call: Call<'_>, proof: &Path, key: Option<&Path>) -> Result<(), Error> {
    let keys = trusted(&call, key)?;
    let proof = Proof::parse(&read(proof)?).map_err(|error| no_proof(&error))?;
    let (old, new) = proof.verify(&keys).map_err(|error| no_proof(&error))?;
    let origin = proof.origin().map_err(|error| no_proof(&error))?;
    if call.output.is_json() {
        return Ok(call.output.json(&json!({ "holds": true, "origin": origin, "old": old, "new": new }))?);
    }
    Ok(call.output.say(
        &format!("成立：{origin} 的前 {old} 条在增至 {new} 条的过程中未被改动、删除或调换"),
        &format!("holds: the first {old} entries of {origin} were not changed, removed or reordered on the way to {new}"),
    )?)
}

fn no_proof(error: &consistency::Error) -> Error {
    let chinese = match error {
        consistency::Error::Archived { size, begin } => {
            format!(
                "较早的检查点覆盖 {size} 条，而前 {begin} 条已归档，请用归档核验：liandong retention verify --anchor"
            )
        }
        consistency::Error::Short { size, found, .. } => {
            format!("检查点覆盖 {size} 条，存储中只有 {found} 条：留痕被截断或回退")
        }
        consistency::Error::Root { .. } => "现有留痕与检查点不符：其后有改动、删除或调换".to_owned(),
        consistency::Error::Path(_) => "较晚的检查点不是较早者的延续".to_owned(),
        consistency::Error::OtherLog { .. } => "两个检查点不属于同一套留痕".to_owned(),
        consistency::Error::Checkpoint { .. } | consistency::Error::Form(_) => {
            "不是有效的检查点或证明".to_owned()
        }
    };
    let mut english = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        english.push_str(": ");
        english.push_str(&error.to_string());
        cause = error.source();
    }
    Error::said(format!("{chinese}（{english}）"), english)
}
