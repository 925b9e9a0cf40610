//! Errors as RFC 9457 problem details: one exhaustive map from refusals and operations to HTTP.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    domain::personal::shown,
    port::{
        intake::{Code, Fault, Refusal},
        operations,
        store::{self, NotPossible},
    },
};

/// Seconds after which a sender may try again.
const RETRY_AFTER_SECONDS: &str = "2";

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Closed set for programs.
    pub code: &'static str,
    /// Title in Chinese.
    pub title: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
    /// The same in Chinese, where people operate the hub.
    pub chinese: Option<String>,
    /// Each fault with its place.
    pub faults: Vec<Fault>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), chinese: None, faults: Vec::new() }
    }

    /// Nothing is there.
    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "未找到", detail)
    }

    /// The request itself is wrong.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::from(Refusal::new(Code::Malformed, detail))
    }

    /// What should name something is no name that the hub gives.
    pub(super) fn no_id(what: &str, text: &str) -> Self {
        Self::bad_request(format!("'{}' is not a {what} id", shown(text)))
    }

    /// The body as JSON.
    pub(in crate::api) fn body(&self) -> serde_json::Value {
        let mut body = json!({
            "type": format!("urn:liandong:problem:{}", self.code), "title": self.title,
            "status": self.status.as_u16(), "code": self.code, "detail": self.detail, "faults": self.faults,
        });
        if let Some(chinese) = &self.chinese {
            body["detail_zh"] = json!(chinese);
        }
        body
    }
}

/// Status and Chinese title of each refusal.
fn status(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::Malformed => (StatusCode::BAD_REQUEST, "报文无法解析"),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "报文超过大小限制"),
        Code::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "报文内容有误"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "未通过身份鉴别"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "无权发送"),
        Code::Conflict => (StatusCode::CONFLICT, "同一业务编号已有不同内容"),
        Code::Stale => (StatusCode::CONFLICT, "版本已过时"),
        Code::Erased => (StatusCode::GONE, "此前已接收，内容与回执已按期清除"),
        Code::Classified => (StatusCode::UNPROCESSABLE_ENTITY, "涉密内容不得进入本系统"),
        Code::Unmapped => (StatusCode::UNPROCESSABLE_ENTITY, "字段映射失败"),
        Code::Unstorable => (StatusCode::INTERNAL_SERVER_ERROR, "系统无法存储该报文"),
        Code::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "系统繁忙，请稍后重发"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "系统暂不可用，请稍后重发"),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, title) = status(refusal.code);
        let code = refusal.code.as_str();
        Self { status, code, title, detail: refusal.detail, chinese: None, faults: refusal.faults }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        tracing::warn!(%error, "store could not answer");
        Self::from(Refusal::new(Code::Unavailable, "the store cannot answer now; try again later"))
    }
}

impl From<operations::Error> for Problem {
    fn from(error: operations::Error) -> Self {
        use operations::Error;
        let (detail, chinese) = (error.to_string(), error.chinese());
        let faults = match &error {
            Error::NotFitting(rows) => {
                rows.iter().map(|why| Fault::new(why.delivery().to_string(), why.to_string())).collect()
            }
            _ => Vec::new(),
        };
        let problem = match error {
            Error::Store(error) => Self::from(error),
            Error::NotPossible(NotPossible::Unknown(_)) | Error::NoToken(_) | Error::UnknownEndpoint(_) => {
                Self::missing(detail)
            }
            Error::NotPossible(_) | Error::NotFitting(_) => {
                Self::new(StatusCode::CONFLICT, "not_possible", "当前状态不允许该操作", detail)
            }
            Error::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", "名称已被占用", detail),
            Error::NoReason => Self::new(StatusCode::BAD_REQUEST, "no_reason", "须填写原因", detail),
            Error::Key(_) => Self::new(StatusCode::CONFLICT, "key", "签名密钥不能更换", detail),
            Error::Randomness(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "系统暂不可用，请稍后重发", detail)
            }
        };
        Self { chinese, faults, ..problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.body().to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// No such path.
pub(super) async fn not_found() -> Problem {
    Problem::missing("no such path; messages are posted to /v1/messages")
}

/// The path is there, the method is another.
pub(super) async fn not_allowed() -> Problem {
    let detail = "this path does not take this method; messages are posted";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not_allowed", "不支持该方法", detail)
}
