//! The operations on splash images.

use std::sync::Arc;

use axum::http::StatusCode;

use super::answer::{Answer, Outcome, Refusal};
use super::images::{Aspect, JPEG, PLACES, measure};
use super::request::Call;
use super::state::{Pod, State};

fn place(state: &State, call: &Call) -> Result<(u8, Aspect), Refusal> {
    let (position, aspect) = (call.segment(5), call.segment(6));
    let first = u8::from(state.quirks.arrays);
    let last = PLACES - 1 + first;
    let place = position
        .parse::<u8>()
        .ok()
        .filter(|position| (first..=last).contains(position));
    let place = place.ok_or_else(|| {
        Refusal::invalid(format!(
            "the position must be a number from {first} to {last}"
        ))
    })?;
    let aspect = Aspect::parse(aspect)
        .ok_or_else(|| Refusal::invalid("the aspect must be `16x9` or `32x9`"))?;
    Ok((place - first, aspect))
}

pub(super) fn get(_: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    let (place, aspect) = place(state, call)?;
    let image = state
        .images
        .get(place, aspect)
        .ok_or_else(|| Refusal::missing("there is no image at this position"))?;
    let kind = if image.starts_with(&JPEG) {
        "image/jpeg"
    } else {
        "image/png"
    };
    Ok(Answer::bytes(StatusCode::OK, kind, image))
}

pub(super) fn set(pod: &Arc<Pod>, state: &mut State, call: &Call) -> Outcome {
    call.refuse_large_body()?;
    let (place, aspect) = place(state, call)?;
    let Some((format, ..)) = measure(&call.body) else {
        return Err(Refusal::invalid("the body must be a JPEG or PNG image"));
    };
    if pod.options.strict && call.content_type() != Some(format!("image/{format}")) {
        return Err(Refusal::invalid(format!(
            "the content type must be `image/{format}`, as the body is one"
        )));
    }
    state.images.set(place, aspect, call.body.clone());
    Ok(Answer::empty(StatusCode::OK))
}
