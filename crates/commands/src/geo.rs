//! Commands on places: sorted sets whose scores are geohashes of 52 bits.

mod add;
mod cells;
mod hash;
mod options;
mod read;
mod search;
mod shape;

use perigee_resp::parse_f64;

use crate::error::Error;
use crate::spec::Command;
use hash::{LATITUDES, LONGITUDES, Position};

pub(crate) static COMMANDS: &[Command] = &[
    add::GEOADD,
    read::GEODIST,
    read::GEOHASH,
    read::GEOPOS,
    search::GEOSEARCH,
    search::GEOSEARCHSTORE,
    search::GEORADIUS,
    search::GEORADIUS_RO,
    search::GEORADIUSBYMEMBER,
    search::GEORADIUSBYMEMBER_RO,
];

/// Longitude and latitude, in degrees.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Error> {
    let longitude = parse_f64(longitude).ok_or(Error::NotFloat)?;
    let latitude = parse_f64(latitude).ok_or(Error::NotFloat)?;
    if LONGITUDES.contains(longitude) && LATITUDES.contains(latitude) {
        return Ok(Position { longitude, latitude });
    }
    Err(Error::Owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// The metres in a unit.
fn unit(word: &[u8]) -> Result<f64, Error> {
    const UNITS: [(&str, f64); 4] = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let found = UNITS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, metres)| *metres).ok_or(UNKNOWN_UNIT)
}

const UNKNOWN_UNIT: Error = Error::Text("ERR unsupported unit provided. please use M, KM, FT, MI");
