//! `liandong token`: make, list and revoke tokens.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Call, Error, language::Language, output::text, reach::Running};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token; it is shown once and kept hashed
    New {
        /// Name of the token
        name: String,
        /// Endpoint it speaks as; without one it is an operator's
        #[arg(long)]
        endpoint: Option<String>,
    },
    /// List tokens
    List,
    /// Revoke a token at once
    Revoke {
        /// Name of the token
        name: String,
    },
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = Running::find(&call.settings.paths.data)?;
    match arguments.what {
        What::New { name, endpoint } => {
            let made = hub
                .ask(Method::POST, "/v1/tokens", Some(json!({ "name": name, "endpoint": endpoint })))
                .await?;
            let row = vec![text(&made, "name"), text(&made, "token")];
            Ok(call.output.rows(
                &made,
                &heads(call.output.language, &["名称", "令牌"], &["name", "token"]),
                &[row],
            )?)
        }
        What::List => {
            let tokens = hub.ask(Method::GET, "/v1/tokens", None).await?;
            let rows: Vec<_> = tokens.as_array().into_iter().flatten().map(row).collect();
            let zh = ["名称", "范围", "创建时间", "吊销时间"];
            let en = ["name", "scope", "created", "revoked"];
            Ok(call.output.rows(&tokens, &heads(call.output.language, &zh, &en), &rows)?)
        }
        What::Revoke { name } => {
            hub.ask(Method::DELETE, &format!("/v1/tokens/{name}"), None).await?;
            Ok(call.output.line(call.output.language.pick("已吊销", "revoked"))?)
        }
    }
}

fn heads<'a>(language: Language, zh: &[&'a str], en: &[&'a str]) -> Vec<&'a str> {
    match language {
        Language::Zh => zh.to_vec(),
        Language::En => en.to_vec(),
    }
}

fn row(token: &Value) -> Vec<String> {
    ["name", "scope", "created_at", "revoked_at"].map(|field| text(token, field)).into()
}
