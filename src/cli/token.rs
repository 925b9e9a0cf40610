//! `liandong token`: make, list and revoke tokens, whether or not the hub runs.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Call, Error,
    language::Language,
    output::text,
    parse,
    reach::{Hub, encoded},
    who::Who,
    words::{Words, time},
};

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
        /// Name of the token, for people
        #[arg(value_parser = parse::not_blank)]
        name: String,
        /// Endpoint it speaks as; without one it is an operator's
        #[arg(long)]
        endpoint: Option<String>,
        /// Worker that attaches by it, as bus.workers names it
        #[arg(long, conflicts_with = "endpoint", value_parser = parse::not_blank)]
        worker: Option<String>,
        /// Why; kept in the trail
        #[arg(long, value_parser = parse::not_blank)]
        reason: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// List tokens, without their secrets
    List,
    /// Revoke a token at once
    Revoke {
        /// Name of the token
        name: String,
        /// Why; kept in the trail
        #[arg(long, value_parser = parse::not_blank)]
        reason: Option<String>,
        #[command(flatten)]
        who: Who,
    },
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = match &arguments.what {
        What::List => Hub::to_look(&call).await?,
        What::New { who, .. } | What::Revoke { who, .. } => Hub::to_operate(&call, who).await?,
    };
    let asked = ask(&hub, &arguments.what).await;
    hub.close().await?;
    let answer = asked?;
    if call.output.is_json() {
        return Ok(call.output.json(&answer)?);
    }
    match &arguments.what {
        What::New { name, endpoint, worker, .. } => {
            made(&mut call, name, (endpoint.as_deref(), worker.as_deref()), &answer)
        }
        What::List => list(&mut call, &answer),
        What::Revoke { name, .. } => Ok(call.output.line(match call.output.language {
            Language::Zh => format!("已吊销令牌“{name}”，立即生效"),
            Language::En => format!("token '{name}' is revoked, as of now"),
        })?),
    }
}

async fn ask(hub: &Hub, what: &What) -> Result<Value, Error> {
    match what {
        What::New { name, endpoint, worker, reason, .. } => {
            let reason = reason.as_deref().unwrap_or_default();
            let body = json!({ "name": name, "endpoint": endpoint, "worker": worker, "reason": reason });
            hub.ask(Method::POST, "/v1/tokens", Some(body)).await
        }
        What::List => hub.ask(Method::GET, "/v1/tokens", None).await,
        What::Revoke { name, reason, .. } => {
            let body = json!({ "reason": reason.as_deref().unwrap_or_default() });
            hub.ask(Method::DELETE, &format!("/v1/tokens/{}", encoded(name)), Some(body)).await?;
            Ok(json!({ "revoked": name }))
        }
    }
}

fn made(
    call: &mut Call<'_>,
    name: &str,
    whose: (Option<&str>, Option<&str>),
    answer: &Value,
) -> Result<(), Error> {
    let who = match (call.output.language, whose) {
        (Language::Zh, (Some(endpoint), _)) => format!("令牌“{name}”，代表接入系统 {endpoint}"),
        (Language::Zh, (None, Some(worker))) => format!("令牌“{name}”，供适配进程 {worker} 接入"),
        (Language::Zh, (None, None)) => format!("令牌“{name}”，运维人员用"),
        (Language::En, (Some(endpoint), _)) => format!("token '{name}', speaks as endpoint {endpoint}"),
        (Language::En, (None, Some(worker))) => format!("token '{name}', attaches worker {worker}"),
        (Language::En, (None, None)) => format!("token '{name}', an operator's"),
    };
    call.output.line(who)?;
    call.output.line(text(answer, "token"))?;
    Ok(call.output.say("只显示这一次，请妥善保管。", "It is shown this once; keep it safe.")?)
}

fn list(call: &mut Call<'_>, tokens: &Value) -> Result<(), Error> {
    let words = Words::new(call.output.language);
    let row = |token: &Value| {
        vec![
            text(token, "name"),
            words.scope(&token["scope"]),
            time(&token["created_at"]),
            time(&token["revoked_at"]),
        ]
    };
    let rows: Vec<_> = tokens.as_array().into_iter().flatten().map(row).collect();
    let heads = [
        ("名称", "name"),
        ("代表", "speaks as"),
        ("创建时间（北京时间）", "created (+08:00)"),
        ("吊销时间", "revoked"),
    ];
    Ok(call.output.table(&heads, &rows)?)
}
