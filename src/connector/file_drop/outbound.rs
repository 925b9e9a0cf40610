//! Outbound files: written under a temporary name, flushed, renamed, and the folder flushed.
//!
//! Promises: a reader never sees half a file, and a file that was reported delivered survives a crash.
//! The name holds the delivery id, so that the same delivery again is the same file again. An error
//! before the rename is `NotSent`; from the rename on it is `Unknown`.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    fs,
    io::AsyncWriteExt as _,
    time::{Instant, timeout_at},
};

use super::sync_folder;
use crate::port::{
    clock::Clock,
    connector::{Answer, Connector, Error, Parcel},
};

/// Puts parcels into one folder.
#[derive(Debug)]
pub struct Folder {
    place: PathBuf,
    extension: &'static str,
    clock: Arc<dyn Clock>,
}

impl Folder {
    /// Files with `extension` (without a dot) into `place`, which must exist when a parcel is sent: a
    /// share that is not mounted is a fault to be seen, not a folder to be made.
    pub fn new(place: PathBuf, extension: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { place, extension, clock }
    }

    fn name(&self, parcel: &Parcel) -> String {
        let id = parcel.delivery.to_string();
        let stem: String =
            parcel.name.chars().filter(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
        let stem = stem.trim_start_matches('.');
        match (stem.contains(&id), stem.is_empty()) {
            (true, _) => format!("{stem}.{}", self.extension),
            (false, true) => format!("{id}.{}", self.extension),
            (false, false) => format!("{stem}_{id}.{}", self.extension),
        }
    }

    async fn write(&self, temporary: &PathBuf, body: &Bytes) -> io::Result<()> {
        let mut file = fs::File::create(temporary).await?;
        file.write_all(body).await?;
        file.sync_all().await
    }

    async fn publish(&self, temporary: &PathBuf, place: &PathBuf) -> io::Result<()> {
        fs::rename(temporary, place).await?;
        sync_folder(&self.place).await
    }
}

#[async_trait]
impl Connector for Folder {
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        let left = parcel.not_after.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        if left.is_zero() {
            return Err(Error::NotSent("no time was left to write it".to_owned()));
        }
        let deadline = Instant::now() + left;
        let name = self.name(&parcel);
        let (temporary, place) = (self.place.join(format!(".{name}.tmp")), self.place.join(&name));
        let written = timeout_at(deadline, self.write(&temporary, &parcel.body)).await;
        if let Err(why) = flat(written) {
            // What cannot be taken away stays under a name that no reader takes up.
            fs::remove_file(&temporary).await.ok();
            return Err(Error::NotSent(format!("file {name} cannot be written: {why}")));
        }
        match flat(timeout_at(deadline, self.publish(&temporary, &place)).await) {
            Ok(()) => Ok(Answer {
                status: None,
                retry_after_ms: None,
                body: name.into(),
                content_type: None,
                verdict: None,
            }),
            Err(why) => Err(Error::Unknown(format!("file {name} may stand in the folder: {why}"))),
        }
    }

    fn peer(&self) -> String {
        self.place.display().to_string()
    }
}

fn flat(result: Result<io::Result<()>, tokio::time::error::Elapsed>) -> Result<(), String> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("not done in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;
    use crate::{domain::id::DeliveryId, port::clock::SystemClock};

    fn parcel(name: &str, left_ms: i64) -> Parcel {
        Parcel {
            delivery: DeliveryId(Uuid::from_u128(7)),
            body: Bytes::from_static(b"{\"a\":1}"),
            content_type: "application/json".into(),
            name: name.into(),
            not_after: SystemClock.now() + SignedDuration::from_millis(left_ms),
            envelope: None,
        }
    }

    fn folder(path: PathBuf) -> Folder {
        Folder::new(path, "json", Arc::new(SystemClock))
    }

    fn names(path: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_delivery_is_one_whole_file_named_by_its_id_and_again_the_same_file() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path().into());
        for _ in 0..2 {
            folder.send(parcel("approval.result", 5_000)).await.unwrap();
        }
        let id = DeliveryId(Uuid::from_u128(7));
        assert_eq!(names(root.path()), [format!("approval.result_{id}.json")]);
        let text = std::fs::read(root.path().join(&names(root.path())[0])).unwrap();
        assert_eq!(text, b"{\"a\":1}");
    }

    #[tokio::test]
    async fn a_name_cannot_leave_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        folder(inner.clone()).send(parcel("../../etc/审批 结果", 5_000)).await.unwrap();
        assert_eq!(names(root.path()), ["inner"]);
        assert!(names(&inner)[0].starts_with("etc审批结果_"), "{:?}", names(&inner));
    }

    #[tokio::test]
    async fn a_missing_folder_is_not_sent() {
        let root = tempfile::tempdir().unwrap();
        let error = folder(root.path().join("share")).send(parcel("a", 5_000)).await.unwrap_err();
        assert!(matches!(error, Error::NotSent(_)), "{error}");
    }

    #[tokio::test]
    async fn no_time_left_is_not_sent_and_leaves_no_file() {
        let root = tempfile::tempdir().unwrap();
        let error = folder(root.path().into()).send(parcel("a", -1)).await.unwrap_err();
        assert!(matches!(error, Error::NotSent(_)), "{error}");
        assert!(names(root.path()).is_empty());
    }

    #[tokio::test]
    async fn a_name_taken_by_a_folder_leaves_the_outcome_open() {
        let root = tempfile::tempdir().unwrap();
        let id = DeliveryId(Uuid::from_u128(7));
        std::fs::create_dir_all(root.path().join(format!("a_{id}.json/x"))).unwrap();
        let error = folder(root.path().into()).send(parcel("a", 5_000)).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");
    }
}
