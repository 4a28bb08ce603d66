use crate::arguments::Arguments;
pub(crate) const HELP: &str = "";
pub(crate) fn run(_arguments: Arguments) -> anyhow::Result<()> { Ok(()) }
