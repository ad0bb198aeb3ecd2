//! Splash images: six places, two aspects each, and their hashes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::digest;
use serde_json::{Value, json};

use super::secret::hex;

/// The image that a new pod has in its first two places: one blue pixel.
const DELIVERED: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4,
    0x89, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x90, 0xb5, 0xaa, 0xfa,
    0x0f, 0x00, 0x03, 0x1a, 0x01, 0xd1, 0xff, 0xfb, 0xb7, 0xd1, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45,
    0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];
pub(super) const PLACES: u8 = 6;
const DELIVERED_PLACES: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Wide,
    UltraWide,
}

impl Aspect {
    pub const ALL: [Self; 2] = [Self::Wide, Self::UltraWide];

    pub fn text(self) -> &'static str {
        match self {
            Self::Wide => "16x9",
            Self::UltraWide => "32x9",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.text() == text)
    }
}

/// The images that were uploaded; every other place is as delivered.
#[derive(Clone, Default)]
pub(super) struct Images(BTreeMap<(u8, Aspect), Bytes>);

impl Images {
    pub fn get(&self, place: u8, aspect: Aspect) -> Option<Bytes> {
        let uploaded = self.0.get(&(place, aspect)).cloned();
        uploaded.or_else(|| (place < DELIVERED_PLACES).then(|| Bytes::from_static(DELIVERED)))
    }

    pub fn set(&mut self, place: u8, aspect: Aspect, image: Bytes) {
        self.0.insert((place, aspect), image);
    }

    pub fn to_json(&self) -> Value {
        let image = |((place, aspect), image): (&(u8, Aspect), &Bytes)| json!({ "place": place, "aspect": aspect.text(), "data": STANDARD.encode(image) });
        self.0.iter().map(image).collect()
    }

    pub fn from_json(saved: &Value) -> Self {
        let image = |saved: &Value| {
            let place = saved
                .get("place")?
                .as_u64()
                .and_then(|place| u8::try_from(place).ok())?;
            let aspect = Aspect::parse(saved.get("aspect")?.as_str()?)?;
            let data = STANDARD.decode(saved.get("data")?.as_str()?).ok()?;
            (place < PLACES).then(|| ((place, aspect), Bytes::from(data)))
        };
        let saved = saved.as_array().map(Vec::as_slice).unwrap_or_default();
        Self(saved.iter().filter_map(image).collect())
    }

    /// Writes each image's hash into `display.splash.images`.
    pub fn write_hashes(&self, images: &mut Value) {
        for place in 0..PLACES {
            for aspect in Aspect::ALL {
                let hash = self
                    .get(place, aspect)
                    .map(|image| hash(&image))
                    .unwrap_or_default();
                if let Some(slot) = images.pointer_mut(&format!("/{place}/{}/hash", aspect.text()))
                {
                    *slot = json!(hash);
                }
            }
        }
    }

    /// `display.splash.images` as the reference's example has it.
    pub fn as_array(&self, images: &Value) -> Value {
        let place = |place: u8| {
            let image = self.get(place, Aspect::Wide).map(|image| {
                let (format, width, height) = measure(&image).unwrap_or(("png", 0, 0));
                json!({ "hash": hash(&image), "width": width, "height": height, "format": format })
            });
            let enabled = images
                .pointer(&format!("/{place}/enabled"))
                .cloned()
                .unwrap_or_default();
            json!({ "enabled": enabled, "position": place + 1, "image": image })
        };
        (0..PLACES).map(place).collect()
    }
}

/// Kept short, as in the reference's example.
fn hash(image: &[u8]) -> String {
    let mut text = hex(digest::digest(&digest::SHA256, image).as_ref());
    text.truncate(16);
    text
}

const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
pub(super) const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// Format, width and height of a PNG or JPEG image. A JPEG without a frame is accepted as one of
/// size 0.
pub(super) fn measure(image: &[u8]) -> Option<(&'static str, u32, u32)> {
    let number = |at: usize, length: usize| {
        let bytes = image.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .fold(0u32, |number, byte| (number << 8) | u32::from(*byte)),
        )
    };
    if image.starts_with(&PNG) {
        return Some(("png", number(16, 4)?, number(20, 4)?));
    }
    if !image.starts_with(&JPEG) {
        return None;
    }
    // Segments: a marker, and a length that counts itself. Frames are SOF0 to SOF15 without DHT,
    // JPG and DAC.
    let mut at = 2usize;
    while let (Some(marker), Some(length)) = (number(at, 2), number(at.saturating_add(2), 2)) {
        if (0xffc0..=0xffcf).contains(&marker) && ![0xffc4, 0xffc8, 0xffcc].contains(&marker) {
            return Some((
                "jpeg",
                number(at.saturating_add(7), 2)?,
                number(at.saturating_add(5), 2)?,
            ));
        }
        at = at
            .saturating_add(2)
            .saturating_add(usize::try_from(length).ok()?.max(2));
    }
    Some(("jpeg", 0, 0))
}
