mod hostile;
mod peers;
mod rules;
mod screens;
mod use_of_keys;
