# Redis's own test suite, without the servers of which xtask/suite/skipped.list says that they are not for Perigee, and without
# what one unit expects in the log.
#
# To be run where the suite's runtest is, with its options. PERIGEE_BLOCKS names a file: a line for each block that
# start_server is not to start, as the block begins. A block that fails outside of its tests would end the file.
#
# The suite starts its clients from [info script]: so its code is evaluated here, not sourced.

proc perigee_listed {code} {
    set code [regsub -all {\s+} [string trim $code] " "]
    set file [open $::env(PERIGEE_BLOCKS)]
    set beginnings [split [string trim [read $file]] "\n"]
    close $file
    foreach beginning $beginnings {
        if {[string equal -length [string length $beginning] $beginning $code]} {
            return $beginning
        }
    }
    return ""
}

proc perigee_wrap_start_server {} {
    rename start_server start_listed_server
    proc start_server {options {code undefined}} {
        set beginning [perigee_listed $code]
        if {$beginning ne ""} {
            send_data_packet $::test_server_fd skip "block: $beginning"
            return
        }
        uplevel 1 [list start_listed_server $options $code]
    }
}

# What damaged payloads make Redis log is about its own structures. That they are refused is what counts.
proc perigee_ignore_log {} {
    rename verify_log_message verify_log_message_of_redis
    proc verify_log_message {server pattern from_line} {
        if {$::curfile ne "tests/integration/corrupt-dump.tcl"} {
            verify_log_message_of_redis $server $pattern $from_line
        }
    }
}

rename source source_file
proc source {path} {
    uplevel 1 [list source_file $path]
    switch $path {
        tests/support/server.tcl perigee_wrap_start_server
        tests/support/util.tcl perigee_ignore_log
    }
}

set perigee_file [open tests/test_helper.tcl]
set perigee_suite [read $perigee_file]
close $perigee_file
eval $perigee_suite
