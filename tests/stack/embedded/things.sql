create table things (id bigserial primary key, name text);
insert into things (name) values ('first');
