mod hostile;
mod pace;
mod rules;
mod screens;
mod use_of_keys;
