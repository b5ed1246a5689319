//! The token endpoint: client credentials in a form body.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;

use super::reply::{self, Reply};
use super::tokens::Tokens;
use super::world::{World, now};

pub async fn token(
    State(world): State<Arc<World>>,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Reply {
    let Ok(Form(form)) = form else {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the body must be a form",
        );
    };
    let field = |name| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" {
        return refused(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant_type must be client_credentials",
        );
    }
    let seed = world.options.seed;
    if field("client_id") != Tokens::client_id(seed)
        || field("client_secret") != Tokens::client_secret(seed)
    {
        return refused(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "unknown client or wrong secret",
        );
    }
    let (token, lifetime) = world.change(|state| state.tokens.issue());
    reply::ok(json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": "",
        "created_at": now().timestamp(),
    }))
}

fn refused(status: StatusCode, error: &str, description: &str) -> Reply {
    (
        status,
        Json(json!({"error": error, "error_description": description})),
    )
        .into_response()
}
