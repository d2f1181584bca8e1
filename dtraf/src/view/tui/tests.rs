mod hostile;
mod rules;
mod screens;
mod use_of_keys;
