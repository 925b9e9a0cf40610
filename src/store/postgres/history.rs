//! What routing needs to know of the past.

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};

use super::{error::Failure, query, runner::Job, session::Session, value::Columns as _};
use crate::{
    domain::{
        id::{DeliveryId, MatterId, MessageId},
        message::MessageKey,
    },
    port::store::{AnsweredRow, HistoryRequest, HistoryRow},
};

/// Answers each part of the request.
pub(super) struct Asking(pub(super) HistoryRequest);

#[async_trait]
impl Job for Asking {
    type Output = HistoryRow;

    async fn run(&self, session: &Session<'_>) -> Result<HistoryRow, Failure> {
        let request = &self.0;
        let mut history = HistoryRow::default();
        if let Some(key) = &request.key {
            of_key(session, key, &mut history).await?;
        }
        for licence in &request.licences {
            let sql = "SELECT issuer FROM licence WHERE kind = $1 AND number = $2";
            if let Some(row) = session.row_if(sql, &[&&*licence.kind, &&*licence.number]).await? {
                history.issuers.push((licence.clone(), row.text("issuer")?));
            }
        }
        history.answered = answered(session, request).await?;
        if let Some(id) = request.delivery {
            let sql = concat!(include_str!("sql/delivery.sql"), "WHERE d.id = $1");
            let row = session.row_if(sql, &[&id.0]).await?;
            history.delivery = row.as_ref().map(query::delivery).transpose()?;
        }
        if let Some((key, revision)) = &request.standing {
            let parts: [&(dyn ToSql + Sync); 4] =
                [&&*key.business_key, &key.kind.as_str(), &key.organisation.as_str(), &i64::from(*revision)];
            let row = session.row_if(include_str!("sql/key_standing.sql"), &parts).await?;
            let standing = |row: &Row| query::standing(row, MessageId(row.id("id")?));
            history.standing = row.as_ref().map(standing).transpose()?;
        }
        Ok(history)
    }
}

async fn of_key(session: &Session<'_>, key: &MessageKey, history: &mut HistoryRow) -> Result<(), Failure> {
    let (business_key, kind, organisation) =
        (&*key.business_key, key.kind.as_str(), key.organisation.as_str());
    let parts: [&(dyn ToSql + Sync); 3] = [&business_key, &kind, &organisation];
    let row = session.row(include_str!("sql/key_highest.sql"), &parts).await?;
    history.known_revision = match row.value::<Option<i64>>("highest")? {
        Some(_) => Some(row.number("highest")?),
        None => return Ok(()),
    };
    for row in session.rows(include_str!("sql/history_recipients.sql"), &parts).await? {
        history.recipients.push(row.text("organisation")?);
    }
    let below: [&(dyn ToSql + Sync); 4] = [&business_key, &kind, &organisation, &i64::MAX];
    for row in session.rows(include_str!("sql/delivery_superseded.sql"), &below).await? {
        history.superseded.push(DeliveryId(row.id("id")?));
    }
    Ok(())
}

async fn answered(session: &Session<'_>, request: &HistoryRequest) -> Result<Option<AnsweredRow>, Failure> {
    let row: Option<Row> = match (request.answers, &request.answers_key) {
        (Some(id), _) => {
            session
                .row_if(concat!(include_str!("sql/history_answered.sql"), "WHERE k.id = $1"), &[&id.0])
                .await?
        }
        (None, Some((kind, business_key))) => {
            // The one accepted last, whatever organisation sent it.
            let sql = concat!(
                include_str!("sql/history_answered.sql"),
                "WHERE k.business_key = $1 AND k.kind = $2 ORDER BY k.number DESC LIMIT 1"
            );
            session.row_if(sql, &[&&**business_key, &kind.as_str()]).await?
        }
        (None, None) => None,
    };
    let Some(row) = row else { return Ok(None) };
    let number: i64 = row.value("number")?;
    let recipients = session.rows(include_str!("sql/history_recipients_of.sql"), &[&number]).await?;
    Ok(Some(AnsweredRow {
        message: MessageId(row.id("id")?),
        key: query::key(&row)?,
        matter: row.text::<MatterId>("matter")?,
        recipients: recipients.iter().map(|row| row.text("organisation")).collect::<Result<_, _>>()?,
        canonical: row.bytes("canonical")?,
    }))
}
