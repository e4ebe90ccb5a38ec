//! A component as others make them: no SDK, no manifest, no embedded text, another package name.

use exports::acme::weather::archive;
use exports::acme::weather::forecast::{self, Day, Sky};

wit_bindgen::generate!({ path: "src/plain.wit" });

struct Weather;
export!(Weather);

impl forecast::Guest for Weather {
    fn get(city: String, days: Option<u8>) -> Result<Vec<Day>, String> {
        if city.is_empty() {
            return Err("which city?".to_owned());
        }
        let skies = [Sky::Clear, Sky::Rain, Sky::Snow];
        let day = |(n, sky): (u8, Sky)| Day { temperature: city.len() as f32 - f32::from(n), sky };
        Ok((0..days.unwrap_or(1)).zip(skies.into_iter().cycle()).map(day).collect())
    }
}

impl archive::Guest for Weather {
    fn get(city: String, day: u16) -> f32 {
        city.len() as f32 + f32::from(day) / 100.0
    }
}
