<?php
// What php-sabre-dav has as an example, with the one user of the tests: run by `php -S` in the folder of its data.

error_reporting(E_ALL & ~E_DEPRECATED);
date_default_timezone_set('UTC');
if ($_SERVER['REQUEST_URI'] === '/.well-known/caldav') {
    // RFC 6764 leaves this to the web server.
    http_response_code(301);
    header('Location: /principals/' . getenv('CALDAV_USER') . '/');
    return;
}
require_once 'Sabre/autoload.php';
$database = new PDO('sqlite:' . getcwd() . '/sabre.sqlite');
$database->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
$database->exec('PRAGMA synchronous = OFF');
if (!$database->query("SELECT 1 FROM sqlite_master WHERE name = 'users'")->fetch()) {
    set_up($database, getenv('CALDAV_USER'), getenv('CALDAV_PASSWORD'));
}
$principals = new Sabre\DAVACL\PrincipalBackend\PDO($database);
$calendars = new Sabre\CalDAV\Backend\PDO($database);
$server = new Sabre\DAV\Server([
    new Sabre\CalDAV\Principal\Collection($principals),
    new Sabre\CalDAV\CalendarRootNode($principals, $calendars),
]);
$server->setBaseUri('/');
$server->addPlugin(new Sabre\DAV\Auth\Plugin(login($database), 'SabreDAV'));
$server->addPlugin(new Sabre\DAVACL\Plugin());
$server->addPlugin(new Sabre\CalDAV\Plugin());
$server->exec();

/** podcal is asked for Digest; the tests themselves sign in with Basic. */
function login(PDO $database): Sabre\DAV\Auth\Backend\BackendInterface
{
    if (str_starts_with($_SERVER['HTTP_USER_AGENT'] ?? '', 'podcal')) {
        return new Sabre\DAV\Auth\Backend\PDO($database);
    }
    return new class extends Sabre\DAV\Auth\Backend\AbstractBasic {
        protected function validateUserPass($user, $password)
        {
            return $user === getenv('CALDAV_USER') && $password === getenv('CALDAV_PASSWORD');
        }
    };
}

function set_up(PDO $database, string $user, string $password): void
{
    $database->exec('
        CREATE TABLE calendarobjects (id INTEGER PRIMARY KEY ASC, calendardata BLOB, uri TEXT, calendarid INTEGER,
            lastmodified INTEGER, etag TEXT, size INTEGER, componenttype TEXT, firstoccurence INTEGER,
            lastoccurence INTEGER);
        CREATE TABLE calendars (id INTEGER PRIMARY KEY ASC, principaluri TEXT, displayname TEXT, uri TEXT, ctag INTEGER,
            description TEXT, calendarorder INTEGER, calendarcolor TEXT, timezone TEXT, components TEXT,
            transparent BOOL);
        CREATE TABLE principals (id INTEGER PRIMARY KEY ASC, uri TEXT UNIQUE, email TEXT, displayname TEXT,
            vcardurl TEXT);
        CREATE TABLE groupmembers (id INTEGER PRIMARY KEY ASC, principal_id INTEGER, member_id INTEGER);
        CREATE TABLE users (id INTEGER PRIMARY KEY ASC, username TEXT UNIQUE, digesta1 TEXT);
    ');
    $database->prepare('INSERT INTO principals (uri, displayname) VALUES (?, ?)')
        ->execute(["principals/$user", $user]);
    $database->prepare('INSERT INTO users (username, digesta1) VALUES (?, ?)')
        ->execute([$user, md5("$user:SabreDAV:$password")]);
}
