<?php
// What the Apache configuration of Debian's davical says of addresses, for `php -S`: DAViCal at the root, and
// /.well-known led to it.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING);
$path = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '/');
$_SERVER['PATH_INFO'] = preg_replace('{^/caldav\.php}', '', $path) ?: '/';
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/caldav.php';
$_SERVER['SCRIPT_FILENAME'] = '/usr/share/davical/htdocs/caldav.php';
chdir('/usr/share/davical/htdocs');
require 'caldav.php';
