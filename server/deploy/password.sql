-- Sets the password of the server's role to the variable ROLE_PASSWORD of the environment. For psql 15 and later.
\getenv password ROLE_PASSWORD
ALTER ROLE pagila_api PASSWORD :'password';
